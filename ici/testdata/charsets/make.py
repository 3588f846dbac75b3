# Python's own codecs write the same call in several character sets; nothing of the Go package is involved.
import os
out='testdata/charsets'; os.makedirs(out,exist_ok=True)
def env(decl,text):
    return (f'<?xml version="1.0"{decl}?>\n<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/">'
     f'<e:Header><user>MEIER</user><language>DE</language></e:Header>'
     f'<e:Body><m:setAttachedData xmlns:m="urn:IciItemInterface"><itemId>call-1</itemId><attachedData>{text}</attachedData></m:setAttachedData></e:Body></e:Envelope>\n')
de='Zürich, Größe, 5 °C, déjà vu'
cases=[ # name, codec, label in the prolog ('' none), bom, text
 ('iso-8859-1','iso-8859-1','ISO-8859-1',b'',de),
 ('iso-8859-2','iso-8859-2','ISO-8859-2',b'','Łódź, Kraków, žluťoučký kůň'),
 ('iso-8859-5','iso-8859-5','ISO-8859-5',b'','Москва, привет'),
 ('iso-8859-7','iso-8859-7','ISO-8859-7',b'','Αθήνα, καλημέρα'),
 ('iso-8859-8','iso-8859-8','ISO-8859-8',b'','שלום עולם'),
 ('iso-8859-9','iso-8859-9','ISO-8859-9',b'','İstanbul, Şişli, ığdır'),
 ('iso-8859-15','iso-8859-15','ISO-8859-15',b'','100 €, Œuvre'),
 ('windows-1250','cp1250','windows-1250',b'','Łódź, žluťoučký kůň'),
 ('windows-1251','cp1251','windows-1251',b'','Москва, Ђорђе'),
 ('windows-1252','cp1252','windows-1252',b'','Zürich „10 €“'),
 ('windows-1253','cp1253','windows-1253',b'','Αθήνα'),
 ('windows-1254','cp1254','windows-1254',b'','İstanbul €'),
 ('windows-1255','cp1255','windows-1255',b'','שלום'),
 ('windows-1256','cp1256','windows-1256',b'','مرحبا'),
 ('windows-1257','cp1257','windows-1257',b'','Šiauliai, Rīga'),
 ('windows-1258','cp1258','windows-1258',b'','Đà Nẵng'.replace('ẵ','ă\u0303')),
 ('tis-620','tis-620','TIS-620',b'','สวัสดี กรุงเทพ'),
 ('shift_jis','shift_jis','Shift_JIS',b'','東京都、ソース表、こんにちは'),
 ('euc-jp','euc-jp','EUC-JP',b'','東京都、こんにちは'),
 ('euc-kr','euc-kr','EUC-KR',b'','서울, 안녕하세요'),
 ('gb2312','gb2312','GB2312',b'','北京，你好'),
 ('gbk','gbk','GBK',b'','北京，繁體'),
 ('gb18030','gb18030','GB18030',b'','北京，你好 𠀀'),
 ('big5','big5','Big5',b'','臺北，你好，功蓋'),
 ('utf-16le-bom','utf-16-le','UTF-16',b'\xff\xfe',de+' 東京 𝄞'),
 ('utf-16be-bom','utf-16-be','UTF-16',b'\xfe\xff',de+' 東京 𝄞'),
 ('utf-16le-nobom','utf-16-le','UTF-16LE',b'',de),
 ('utf-16be-nobom','utf-16-be','UTF-16BE',b'',de),
 ('utf-16le-bom-prolog-utf8','utf-16-le','utf-8',b'\xff\xfe',de),
 ('utf-8','utf-8','utf-8',b'',de+' 東京 𝄞'),
 ('utf-8-bom','utf-8','',b'\xef\xbb\xbf',de),
 ('utf-8-bom-prolog-latin1','utf-8','ISO-8859-1',b'\xef\xbb\xbf',de),
 ('utf-8-late','utf-8','',b'','a'*1500+' Zürich'),
 # The label stands in the content type only; see charsets.tsv.
 ('ct-shift_jis','shift_jis','',b'','東京都'),
 ('ct-iso-8859-2','iso-8859-2','',b'','Łódź'),
 ('ct-utf-8-prolog-latin1','utf-8','ISO-8859-1',b'','Zürich'),
]
ct={'ct-shift_jis':'text/xml; charset=Shift_JIS','ct-iso-8859-2':'text/xml;charset="iso-8859-2"','ct-utf-8-prolog-latin1':'text/xml; charset=utf-8'}
with open(out+'/charsets.tsv','w',encoding='utf-8') as idx:
    for name,codec,label,bom,text in cases:
        decl=f' encoding="{label}"' if label else ''
        open(f'{out}/{name}.xml','wb').write(bom+env(decl,text).encode(codec))
        idx.write(f'{name}\t{ct.get(name,"text/xml")}\t{text}\n')
